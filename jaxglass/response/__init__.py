"""How a glass at rest answers: its energy minimum, and the derivatives of its stress there."""
