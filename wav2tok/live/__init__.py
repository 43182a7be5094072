"""Sound while it is heard: its tokens, alerts for what is looked for, and the recordings of an index like it."""
