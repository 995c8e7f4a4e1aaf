"""How the book's figures look."""

# Okabe and Ito's palette, told apart with every common colour vision, also after the inversion
# of lightness that dark mode applies. The kinds of losses keep their colours across the book; line
# styles tell the members of a kind apart. "parameters" is the P-loss; the PNP loss is
# drawn as what it stands for, scattering.
FAMILIES = {
    "transport": "#0072B2",
    "bin by bin": "#D55E00",
    "scattering": "#009E73",
    "combination": "#CC79A7",
    "time and frequency": "#56B4E9",
    "parameters": "#E69F00",
    "waveform": "#666666",
}
COLOURS = tuple(FAMILIES.values())


def use_style() -> None:
    """Set matplotlib up for the book: transparent SVG, readable fonts, the same bytes every time.

    Call it once at the top of a chapter, with the folded imports.
    """
    import matplotlib as mpl
    from matplotlib_inline.backend_inline import set_matplotlib_formats

    mpl.rcParams.update(settings())
    set_matplotlib_formats("svg", metadata={"Date": None}, facecolor="none", bbox_inches="tight")


def settings() -> dict:
    """Matplotlib's settings for the book's figures."""
    from matplotlib.rcsetup import cycler

    return {
        # Small, with large letters: a phone shows it at half this width.
        "figure.figsize": (6.4, 3.2),
        "figure.facecolor": "none",
        "figure.constrained_layout.use": True,
        "axes.facecolor": "none",
        "axes.grid": True,
        "axes.prop_cycle": cycler(color=COLOURS),
        "axes.spines.right": False,
        "axes.spines.top": False,
        "font.size": 13.0,
        "grid.alpha": 0.25,
        "legend.frameon": False,
        "lines.linewidth": 1.8,
        "savefig.facecolor": "none",
        "svg.fonttype": "path",
        "svg.hashsalt": "sotlib",
    }
