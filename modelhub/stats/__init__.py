"""Statistics: arrays in, numbers out. No Django. What is undefined is None with a reason code, never NaN, 0 or 1."""
