"""The systems that the tokenizer is compared with."""
