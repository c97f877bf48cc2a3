"""The paper's learner: the encoder-decoder, trained by AdamW on the mean gradients of batches of one
class."""

from __future__ import annotations

import warnings

from gradiend_core.api import ConfigError, LearnedFeature, LearningTask, progress
from gradiend_learners import Adam
from gradiend_learners.training import Supervised, Training, state_vectors


class AdamLearner:
    """Stateless: everything that changes while learning is in `Training`."""

    #: what learns with the classes as codes
    supervised = Supervised.NOTHING

    def __init__(self, config: Adam) -> None:
        self.config = config

    def vectors(self, axes: int) -> int:
        """The weights, two moments of each, the best weights so far, the gradients of a step, and the
        features of other axes."""
        roles, k = len({self.config.source, self.config.target}), self.config.latent_dim
        return state_vectors(self.config) + roles + (3 * (axes - 1) if k == 1 else 0)

    def feature_vectors(self) -> int:
        """Encoder, decoder, and its bias."""
        return 3

    def state_vectors(self) -> int:
        """The vectors of the checkpoint on disk, from which an interrupted run continues."""
        return state_vectors(self.config)

    def texts(self, train: int, validation: int) -> int:
        """The largest number of texts that it reads: batches and validations."""
        config = self.config
        validations = config.max_steps // config.validate_every if config.validate_every else 0
        looked_at = min(config.validation_pairs, validation)
        return config.max_steps * min(config.batch_size, train) + (validations + 1) * looked_at

    def learn(self, task: LearningTask) -> tuple[LearnedFeature, ...]:
        """The encoder-decoder after at most `max_steps` steps: the latest weights with the best validation
        correlation, or the last ones."""
        k = self.config.latent_dim
        if k not in (1, len(task.axes)):
            raise ConfigError(
                f"learner.latent_dim is {k}, but must be 1 or the number of axes, {len(task.axes)}"
            )
        if k > 1 or len(task.axes) == 1:
            return self._together(task, task.axes)
        return tuple(feature for axis in task.axes for feature in self._together(task, (axis,)))

    def _together(self, task: LearningTask, axes: tuple[tuple[str, str], ...]) -> tuple[LearnedFeature, ...]:
        training = Training.begin(self.config, task, axes, self.supervised)
        try:
            with progress("steps", self.config.max_steps) as steps:
                while training.done < training.schedule.last:
                    training.step()
                    steps.advance(training.done - steps.done)
        except KeyboardInterrupt:
            if not training.rows:
                raise
            done = training.done
            warnings.warn(
                f"stopped by hand after {done} of {self.config.max_steps} steps; the best so far is kept",
                stacklevel=2,
            )
        return training.features()
