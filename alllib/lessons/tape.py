"""Automatic differentiation in reverse, for single numbers."""

from __future__ import annotations

import math

__all__ = ["Number"]


class Number:
    """A number that remembers how it was made.

    Parameters
    ----------
    value : float
    made_from : sequence of tuple of Number and float
        Each number that it was made from, and the local derivative by it.

    Attributes
    ----------
    slope : float
        Derivative of the result of the last `backward` by this number.
    """

    def __init__(self, value, made_from=()):
        self.value, self.made_from, self.slope = value, made_from, 0.0

    def __add__(self, other):
        other = other if isinstance(other, Number) else Number(other)
        return Number(self.value + other.value, ((self, 1.0), (other, 1.0)))

    def __mul__(self, other):
        other = other if isinstance(other, Number) else Number(other)
        made_from = ((self, other.value), (other, self.value))
        return Number(self.value * other.value, made_from)

    def relu(self):
        slope = 1.0 if self.value > 0 else 0.0
        return Number(max(self.value, 0.0), ((self, slope),))

    def log(self):
        return Number(math.log(self.value), ((self, 1 / self.value),))

    def sigmoid(self):
        p = 1 / (1 + math.exp(-self.value))
        return Number(p, ((self, p * (1 - p)),))

    def backward(self):
        """Chain rule from this number back to all that it was made from."""
        order, seen = [], set()

        def visit(number):
            if id(number) not in seen:
                seen.add(id(number))
                for before, _ in number.made_from:
                    visit(before)
                order.append(number)

        visit(self)
        for number in order:
            number.slope = 0.0
        self.slope = 1.0
        for number in reversed(order):
            for before, derivative in number.made_from:
                before.slope += number.slope * derivative
