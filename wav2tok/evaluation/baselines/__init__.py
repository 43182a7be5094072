"""What the tokenizer is compared with."""
