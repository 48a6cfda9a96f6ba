"""The networks that the training and inference rows run: one definition as data, and one builder
for each library, which all begin from the same weights."""
