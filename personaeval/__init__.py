"""Human evaluation of personalized language models: study flow, blinding and the pipeline behind it."""

__version__ = "0.1.0"
