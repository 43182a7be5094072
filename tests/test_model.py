def test_smoke(tiny_model):
    import time
    print(sorted(p.name for p in tiny_model.iterdir()))
    print((tiny_model/"history.json").read_text())
