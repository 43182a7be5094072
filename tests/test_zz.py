import torch
from wav2tok.training.run import train
from wav2tok.evaluation.run import evaluate
from safetensors.torch import load_file
def same(a,b):
    x,y=load_file(a/'last.safetensors'),load_file(b/'last.safetensors'); return len([k for k in x if not torch.equal(x[k],y[k])])
def info(): return [l for l in torch.__config__.parallel_info().split('\n') if 'num_threads' in l.lower() or 'threads' in l.lower()]
def test_it(tiny_split,tiny_config,tmp_path,monkeypatch):
    monkeypatch.chdir(tmp_path); q=lambda s:0
    train(tiny_split,tmp_path/'a',None,tiny_config,'cpu',False,q)
    print('I1',info())
    import numba, sklearn.cluster, ranx
    train(tiny_split,tmp_path/'b',None,tiny_config,'cpu',False,q); print('R after imports',same(tmp_path/'a',tmp_path/'b'))
    from wav2tok.evaluation.baselines import kmeans
    evaluate(tiny_split,str(tmp_path/'a'),tmp_path/'r',tiny_config,'cpu',False,q)
    print('I2',info())
    train(tiny_split,tmp_path/'c',None,tiny_config,'cpu',False,q); print('R after evaluate',same(tmp_path/'a',tmp_path/'c'))
    assert 0
