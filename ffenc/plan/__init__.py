"""What ffenc will run: pure values, made from a config, the encoder rows and this FFmpeg's capabilities."""
