"""The live loop: the queue, the dispatcher, and servers that fail."""
