"""What the pipeline made, in numbers: judged tables, accuracy, training curves, and published values beside them."""
