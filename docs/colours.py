"""The colours of the pictures, by theme: those of the forge that shows them."""

COLOURS = ("back", "bar", "edge", "text", "dim", "red", "green", "yellow", "cyan", "rest")
THEMES = {
    "light": "#ffffff #f6f8fa #d1d9e0 #1f2328 #59636e #cf222e #1a7f37 #9a6700 #0969da #d1d9e0",
    "dark": "#0d1117 #151b23 #3d444d #f0f6fc #9198a1 #f85149 #3fb950 #d29922 #4493f8 #2a313c",
}
