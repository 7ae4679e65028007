"""Write files and directories atomically and durably, and lock datasets.

- `atomic_file`: replace one file.
- `new_directory`: create a dataset under a temporary name, then rename it.
- `swap_directory`: replace a dataset by its new form.
- `lock`, `identity`: allow one writer at a time, and detect a moved or replaced directory.
- `dataset_tree`: check a dataset's directory for symbolic links and special files.
"""
