"""What `core/script.python` is made of: CPython, its library, and what runs a script in them."""
