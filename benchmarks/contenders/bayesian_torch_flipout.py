"""bayesian-torch: ``LinearFlipout`` layers, which hand back their KL beside the output.

Source: the examples of bayesian-torch. Its ``kl_div`` takes the mean over the weights of a tensor,
which is no ELBO; here it is made the sum. Its biases are random too.
"""

from typing import Any

import torch
from bayesian_torch.layers import LinearFlipout

from benchmarks.torch_training import training_run
from benchmarks.work import Images, Labels, Run, Work

TITLE = "bayesian-torch: LinearFlipout"
ENVIRONMENT = "torch"
KIND = "peer"


class SummedFlipout(LinearFlipout):
    """A Flipout layer whose KL is the sum over its weights."""

    def kl_div(self, mu_q: Any, sigma_q: Any, mu_p: Any, sigma_p: Any) -> torch.Tensor:
        """Return the KL of one tensor, in nats: the mean of bayesian-torch times the number."""
        return super().kl_div(mu_q, sigma_q, mu_p, sigma_p) * mu_q.numel()


class FlipoutNetwork(torch.nn.Module):
    """The dense network: prior N(0, 1), posterior from means N(0, 0.1²) and rho N(-3, 0.1²)."""

    def __init__(self, work: Work) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleList(SummedFlipout(*shape) for shape in work.shapes)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits [batch, classes] and the KL of all layers, in nats."""
        hidden, kl = images, torch.zeros(())
        for index, layer in enumerate(self.layers):
            hidden, layer_kl = layer(torch.relu(hidden) if index else hidden)
            kl = kl + layer_kl
        return hidden, kl


def prepare(work: Work, images: Images, labels: Labels) -> Run:
    """Build the network; several draws are several calls, their losses averaged."""
    work.only_dense()
    torch.manual_seed(work.seed)
    neural_net = FlipoutNetwork(work)
    cross_entropy = torch.nn.CrossEntropyLoss()

    def loss_of(batch: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        calls = [neural_net(batch) for _ in range(work.num_draws)]
        nll = sum(cross_entropy(logits, targets) for logits, _ in calls) / work.num_draws
        return nll + calls[-1][1] / len(images)  # the KL is the same at each call

    return training_run(work, images, labels, neural_net.parameters(), loss_of)
