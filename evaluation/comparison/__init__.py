"""Several label maps of one image beside each other."""
