"""Whether people agree beyond chance: Cohen's kappa of two, Fleiss' of more."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from .choices import Choice


@dataclass(frozen=True)
class Agreement:
    """`value` from -1 to 1, 1 is perfect, 0 as good as chance; None where it is undefined."""

    kind: str
    value: float | None
    items: int
    """Items that equally many people saw, on which it is measured."""
    annotators: int

    def __str__(self) -> str:
        if self.items == 0:
            return "agreement: no item was seen by two people"
        told = (
            "undefined, since everybody chose alike" if self.value is None else f"{self.value:.3f}"
        )
        return f"{self.kind} = {told} ({self.items} items, {self.annotators} people each)"


def agreement(choices: Iterable[Choice]) -> Agreement:
    """Agreement over the items that most people saw; of two who saw the same, Cohen's kappa."""
    import torch
    from torchmetrics.functional.classification import multiclass_cohen_kappa
    from torchmetrics.functional.nominal import fleiss_kappa

    by_item: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for choice in choices:
        by_item[choice.item, choice.revision][choice.annotator] = choice.choice
    sizes = defaultdict(list)
    for votes in by_item.values():
        if len(votes) > 1:
            sizes[len(votes)].append(votes)
    if not sizes:
        return Agreement("agreement", None, 0, 0)
    people = max(sizes, key=lambda n: (len(sizes[n]), n))
    rated = sizes[people]
    labels = sorted({vote for votes in rated for vote in votes.values()})
    pairs = {tuple(sorted(votes)) for votes in rated}
    if len(labels) == 1:
        return Agreement("kappa", None, len(rated), people)
    if people == 2 and len(pairs) == 1:
        one, other = next(iter(pairs))
        first = torch.tensor([labels.index(votes[one]) for votes in rated])
        second = torch.tensor([labels.index(votes[other]) for votes in rated])
        value = multiclass_cohen_kappa(first, second, num_classes=len(labels))
        return Agreement("Cohen's kappa", float(value), len(rated), 2)
    counts = torch.tensor([[list(v.values()).count(label) for label in labels] for v in rated])
    return Agreement("Fleiss' kappa", float(fleiss_kappa(counts)), len(rated), people)
