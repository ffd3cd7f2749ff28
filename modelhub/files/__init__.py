"""What people bring as files, and which stored row it belongs to."""
