"""Small pretrained models that come inside Python packages: fetched, verified, and written as folders of models."""
