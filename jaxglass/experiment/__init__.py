"""The paper's laboratory equations for measurements of one's own: sections 2.4 and 2.5."""
