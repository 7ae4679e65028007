"""What ffenc knows about encoders: rows of data, no input or output."""
