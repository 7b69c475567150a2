"""``python -m tasks.training.fusion DATA --run RUN``: train the fusing network."""

from tasks.training.fusion.trainer import main

if __name__ == "__main__":
    main()
