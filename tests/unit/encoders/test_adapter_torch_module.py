"""A torch module, without what training would do."""

import pytest
from trial import Trial


def trial(folder, windows):
    torch = pytest.importorskip("torch")

    class Net(torch.nn.Module):
        def __init__(self, seed):
            super().__init__()
            torch.manual_seed(seed)
            self.layer = torch.nn.Linear(windows.shape[1], 5)
            self.dropout = torch.nn.Dropout(0.5)

        def forward(self, x):
            return self.dropout(self.layer(x))

    class Codes(Net):
        def forward(self, x):
            return self.layer(x).long()

    net = Net(0).train()

    def bare(batch):
        with torch.no_grad():
            return net.layer(torch.from_numpy(batch)).numpy()

    return Trial(net, bare, Net(1), Codes(0))
