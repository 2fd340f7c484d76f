"""Where Terraform's providers come from on this machine, and the settings that name them."""
