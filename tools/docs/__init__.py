"""The tables of inputs and outputs in the READMEs, generated from variables.tf and outputs.tf."""
