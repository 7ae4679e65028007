"""Files and directories that appear whole and durable, and the locks that guard them."""
