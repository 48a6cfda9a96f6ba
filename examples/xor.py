"""The smallest network that needs its hidden layer: exclusive or, from four samples.

    python examples/xor.py [--steps 500] [--seed 0] [--quick]
"""

import argparse

import minidrop as md
from minidrop import nn, optim

X = md.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
Y = md.tensor([[0.0], [1.0], [1.0], [0.0]])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="200 steps")
    args = parser.parse_args()

    md.manual_seed(args.seed)
    model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
    optimizer = optim.Adam(model.parameters(), lr=0.05)
    loss_of = nn.BCEWithLogitsLoss()
    steps = 200 if args.quick else args.steps
    for step in range(1, steps + 1):
        optimizer.zero_grad()
        loss = loss_of(model(X), Y)
        loss.backward()
        optimizer.step()
        if step % 100 == 0:
            print(f"step {step}: loss {loss.item():.5f}")

    with md.no_grad():
        probability = nn.Sigmoid()(model(X)).numpy()
    for (a, b), p in zip(X.numpy(), probability[:, 0], strict=True):
        print(f"{a:.0f} xor {b:.0f} = {p > 0.5:d}   (probability of 1: {p:.4f})")


if __name__ == "__main__":
    main()
