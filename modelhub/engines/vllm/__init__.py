"""The vllm engine: models that run in this process through vLLM."""
