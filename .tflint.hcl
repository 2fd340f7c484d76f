# `tflint --init && tflint --recursive`, for those who have it. What counts is `make lint`, which needs no tflint.

config {
  call_module_type = "local"
}

# Comes with tflint.
plugin "terraform" {
  enabled = true
  preset  = "all"
}

# A module that calls others requires what these require, so that their versions are settled in one place.
rule "terraform_unused_required_providers" {
  enabled = false
}
