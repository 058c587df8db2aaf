"""What is simulated: elements, compositions, the atoms of a glass and the potential between them."""
