"""The documents, as their reader tries them."""
