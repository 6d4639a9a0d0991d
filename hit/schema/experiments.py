"""An experiment of the store, held by its id: somebody may rename it while a command works in it."""

__all__ = ["Experiment"]

from dataclasses import dataclass


@dataclass(frozen=True)
class Experiment:
    """An experiment as it was when a command began (`hit.connection.chosen_experiment`); as text, its name.

    Attributes:
        name: for people.
        id: '' where the store has none of this name yet: whoever puts the first run there makes it.
    """

    name: str
    id: str = ""

    def __str__(self) -> str:
        return self.name
