"""Learners that are given more, or less, than the paper's."""

from __future__ import annotations

import random

import torch
from attrs import evolve

from gradiend_core.api import Examples, LearnedFeature, LearningTask, assembled, class_means, relabelled
from gradiend_learners import MeanDifference, Ridge, Shuffled
from gradiend_learners.adam import AdamLearner
from gradiend_learners.closed import MeanDifferenceLearner, RidgeLearner
from gradiend_learners.training import Supervised


class SupervisedEncoderLearner(AdamLearner):
    """The encoder is trained with the classes as codes; the decoder is that of the class means."""

    supervised = Supervised.ENCODER

    def _together(self, task: LearningTask, axes: tuple[tuple[str, str], ...]) -> tuple[LearnedFeature, ...]:
        features = super()._together(task, axes)
        means = [
            class_means(task.gradients, task.train, feature.classes, [feature.target], feature.source)[0]
            for feature in features
        ]
        return tuple(
            evolve(feature, decoder=(first - second) / 2, decoder_bias=(first + second) / 2)
            for feature, (first, second) in zip(features, means, strict=True)
        )


class SupervisedDecoderLearner(AdamLearner):
    """The decoder is trained to predict from the classes as codes; the encoder is that of the class means."""

    supervised = Supervised.DECODER

    def _together(self, task: LearningTask, axes: tuple[tuple[str, str], ...]) -> tuple[LearnedFeature, ...]:
        result = []
        for feature in super()._together(task, axes):
            first, second = class_means(
                task.gradients, task.train, feature.classes, [feature.source], feature.source
            )[0]
            ends = torch.stack([feature.decode(1.0), feature.decode(-1.0)])
            feature_of_means = assembled(
                task,
                feature.classes,
                first - second,
                ends,
                (feature.source, feature.target),
                feature.training,
            )
            result.append(feature_of_means)
        return tuple(result)


class ShuffledLearner:
    """Another learner with the classes of training and validation pairs shuffled."""

    def __init__(self, config: Shuffled) -> None:
        self.config = config
        self.learner: AdamLearner | MeanDifferenceLearner | RidgeLearner = AdamLearner(config)
        if config.of == "mean-difference":
            self.learner = MeanDifferenceLearner(MeanDifference(config.source, config.target))
        elif config.of == "ridge":
            self.learner = RidgeLearner(Ridge(config.source, config.target))

    def vectors(self, axes: int) -> int:
        """The vectors of the other learner."""
        return self.learner.vectors(axes)

    def feature_vectors(self) -> int:
        """The vectors of the other learner's feature."""
        return self.learner.feature_vectors()

    def texts(self, train: int, validation: int) -> int:
        """The texts of the other learner."""
        return self.learner.texts(train, validation)

    def learn(self, task: LearningTask) -> tuple[LearnedFeature, ...]:
        rng = random.Random(f"{task.seed}:shuffled")

        def shuffled(examples: Examples) -> Examples:
            others = list(examples.pairs)
            rng.shuffle(others)
            return relabelled(examples, others)

        return self.learner.learn(
            evolve(task, train=shuffled(task.train), validation=shuffled(task.validation))
        )
