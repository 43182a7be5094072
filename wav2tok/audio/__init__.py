"""Files to samples: decoding, reading ahead in threads, windows of long recordings."""
