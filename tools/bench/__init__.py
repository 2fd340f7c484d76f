"""What the program and the plans cost, measured on the sandbox: `make bench`."""
