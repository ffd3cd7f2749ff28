"""The openai engine: any server that speaks the OpenAI protocol."""
