"""The words templates are written in: MJML's tags with their attributes, and CSS properties and colours. Facts only.

Which attributes the engine passes over in silence was measured with mjml-python 1.4: the page is the same without them.
"""

from __future__ import annotations

from typing import Final


def _set(*words: str) -> frozenset[str]:
    return frozenset(" ".join(words).split())


_PADDING = "padding padding-top padding-right padding-bottom padding-left"
_BORDER = "border border-top border-right border-bottom border-left"
_FONT = "font-family font-size font-style font-weight"
_SECTION = (
    f"background-color background-url background-repeat background-size background-position background-position-x "
    f"background-position-y {_BORDER} border-radius direction full-width {_PADDING} text-align text-padding"
)
_ICON = (
    "icon-align icon-width icon-height icon-wrapped-url icon-wrapped-alt icon-unwrapped-url icon-unwrapped-alt "
    "icon-position"
)

ATTRIBUTES: Final = {
    "mjml": _set("lang dir owa"),
    "mj-head": _set(),
    "mj-body": _set("width background-color id"),
    "mj-include": _set("path type css-inline"),
    "mj-raw": _set("position"),
    "mj-title": _set(),
    "mj-preview": _set(),
    "mj-attributes": _set(),
    "mj-breakpoint": _set("width"),
    "mj-font": _set("name href"),
    "mj-style": _set("inline"),
    "mj-section": _set(_SECTION),
    "mj-wrapper": _set(_SECTION, "gap"),
    "mj-group": _set("background-color direction vertical-align width"),
    "mj-column": _set(
        f"background-color inner-background-color {_BORDER} border-radius inner-border inner-border-top",
        f"inner-border-right inner-border-bottom inner-border-left inner-border-radius direction {_PADDING}",
        "vertical-align width",
    ),
    "mj-hero": _set(
        "mode height background-url background-width background-height background-position background-color",
        "border-radius container-background-color inner-background-color inner-padding inner-padding-top",
        f"inner-padding-right inner-padding-bottom inner-padding-left {_PADDING} vertical-align width",
    ),
    "mj-text": _set(
        f"align color container-background-color {_FONT} height letter-spacing line-height {_PADDING}",
        "text-decoration text-transform vertical-align",
    ),
    "mj-image": _set(
        f"align alt {_BORDER} border-radius container-background-color fluid-on-mobile font-size height href",
        f"max-height name {_PADDING} rel sizes src srcset target title usemap width",
    ),
    "mj-button": _set(
        f"align background-color {_BORDER} border-radius color container-background-color {_FONT} height href",
        f"inner-padding letter-spacing line-height name {_PADDING} rel target text-align text-decoration",
        "text-transform title vertical-align width",
    ),
    "mj-divider": _set(f"align border-color border-style border-width container-background-color {_PADDING} width"),
    "mj-spacer": _set(f"{_BORDER} container-background-color height {_PADDING}"),
    "mj-table": _set(
        f"align border cellpadding cellspacing color container-background-color {_FONT} line-height {_PADDING} role",
        "table-layout vertical-align width",
    ),
    "mj-social": _set(
        f"align border-radius color container-background-color {_FONT} icon-height icon-padding icon-size",
        f"inner-padding line-height mode {_PADDING} table-layout text-decoration text-padding vertical-align",
    ),
    "mj-social-element": _set(
        f"align alt background-color border-radius color {_FONT} href icon-height icon-padding icon-position",
        f"icon-size line-height name {_PADDING} rel sizes src srcset target text-decoration text-padding title",
        "vertical-align",
    ),
    "mj-navbar": _set(
        "align base-url container-background-color hamburger ico-align ico-close ico-color ico-font-family",
        "ico-font-size ico-line-height ico-open ico-padding ico-padding-top ico-padding-right ico-padding-bottom",
        f"ico-padding-left ico-text-decoration ico-text-transform {_PADDING}",
    ),
    "mj-navbar-link": _set(
        f"color {_FONT} href letter-spacing line-height name {_PADDING} rel target text-decoration text-transform"
    ),
    "mj-accordion": _set(f"border container-background-color font-family {_ICON} {_PADDING}"),
    "mj-accordion-element": _set(f"background-color border font-family {_ICON}"),
    "mj-accordion-title": _set(f"background-color color font-family font-size font-weight {_PADDING}"),
    "mj-accordion-text": _set(
        f"background-color color font-family font-size font-weight letter-spacing line-height {_PADDING}"
    ),
    "mj-carousel": _set(
        f"align border-radius container-background-color icon-width left-icon {_PADDING} right-icon tb-border",
        "tb-border-radius tb-hover-border-color tb-selected-border-color tb-width thumbnails",
    ),
    "mj-carousel-image": _set("alt border-radius href rel src target tb-border tb-border-radius thumbnails-src title"),
}
"""What each tag may have, beside what every tag may have."""
ANYWHERE: Final = _set("css-class mj-class")

PASSED_OVER: Final = {
    "mjml": _set("owa"),
    "mj-body": _set("id"),
    "mj-section": _set("text-padding"),
    "mj-wrapper": _set("text-padding gap"),
    "mj-hero": _set("border-radius container-background-color"),
    "mj-image": _set("sizes border-top border-bottom"),
    "mj-button": _set("title"),
    "mj-spacer": _set(_BORDER),
    "mj-table": _set("font-weight role"),
    "mj-social": _set("table-layout"),
    "mj-social-element": _set("icon-position srcset sizes"),
    "mj-accordion-title": _set("font-weight"),
}
"""What MJML knows and this engine passes over."""

NEEDED: Final = {
    "mj-image": {
        "alt": 'Say in one sentence what it shows: alt="…", or alt="" if it is only decoration.',
        "src": "Without it there is no picture.",
    },
    "mj-carousel-image": {"alt": 'Say in one sentence what it shows: alt="…".', "src": "Without it there is none."},
    "mj-button": {"href": "Without it the button leads nowhere."},
    "mj-navbar-link": {"href": "Without it the link leads nowhere."},
    "mj-social-element": {"src": "Without it the picture comes from another company's server, or there is none."},
    "mj-include": {"path": "Without it nothing is included."},
}
"""What a tag needs to be of use to readers, with what to do."""

PROPERTIES: Final = _set(
    "accent-color align-content align-items align-self all animation animation-delay animation-direction",
    "animation-duration animation-fill-mode animation-iteration-count animation-name animation-play-state",
    "animation-timing-function appearance aspect-ratio backdrop-filter backface-visibility background",
    "background-attachment background-blend-mode background-clip background-color background-image",
    "background-origin background-position background-position-x background-position-y background-repeat",
    "background-size block-size border border-block border-block-end border-block-start border-bottom",
    "border-bottom-color border-bottom-left-radius border-bottom-right-radius border-bottom-style",
    "border-bottom-width border-collapse border-color border-image border-inline border-inline-end",
    "border-inline-end-color border-inline-end-width border-inline-start border-inline-start-color",
    "border-inline-start-width border-left border-left-color border-left-style border-left-width border-radius",
    "border-right border-right-color border-right-style border-right-width border-spacing border-style border-top",
    "border-top-color border-top-left-radius border-top-right-radius border-top-style border-top-width",
    "border-width bottom box-decoration-break box-shadow box-sizing break-after break-before break-inside",
    "caption-side caret-color clear clip clip-path color color-adjust color-scheme column-count column-fill",
    "column-gap column-rule column-span column-width columns contain container container-name container-type",
    "content content-visibility counter-increment counter-reset counter-set cursor direction display empty-cells",
    "fill filter flex flex-basis flex-direction flex-flow flex-grow flex-shrink flex-wrap float font font-display",
    "font-family font-feature-settings font-kerning font-optical-sizing font-size font-size-adjust font-stretch",
    "font-style font-synthesis font-variant font-variant-caps font-variant-ligatures font-variant-numeric",
    "font-variation-settings font-weight forced-color-adjust gap grid grid-area grid-auto-columns grid-auto-flow",
    "grid-auto-rows grid-column grid-column-end grid-column-gap grid-column-start grid-gap grid-row grid-row-end",
    "grid-row-gap grid-row-start grid-template grid-template-areas grid-template-columns grid-template-rows",
    "hanging-punctuation height hyphenate-character hyphenate-limit-chars hyphens image-orientation",
    "image-rendering inline-size inset inset-block inset-block-end inset-block-start inset-inline",
    "inset-inline-end inset-inline-start isolation justify-content justify-items justify-self left letter-spacing",
    "line-break line-clamp line-height list-style list-style-image list-style-position list-style-type margin",
    "margin-block margin-block-end margin-block-start margin-bottom margin-inline margin-inline-end",
    "margin-inline-start margin-left margin-right margin-top mask mask-image mask-position mask-repeat mask-size",
    "max-block-size max-height max-inline-size max-width min-block-size min-height min-inline-size min-width",
    "mix-blend-mode object-fit object-position opacity order orphans outline outline-color outline-offset",
    "outline-style outline-width overflow overflow-anchor overflow-wrap overflow-x overflow-y overscroll-behavior",
    "padding padding-block padding-block-end padding-block-start padding-bottom padding-inline padding-inline-end",
    "padding-inline-start padding-left padding-right padding-top page page-break-after page-break-before",
    "page-break-inside perspective place-content place-items place-self pointer-events position",
    "print-color-adjust quotes resize right rotate row-gap scale scroll-behavior scroll-margin scroll-margin-top",
    "scroll-padding scroll-padding-top scroll-snap-align scroll-snap-type scrollbar-color scrollbar-gutter",
    "scrollbar-width shape-margin shape-outside size speak src stroke stroke-width supported-color-schemes",
    "tab-size table-layout text-align text-align-last text-combine-upright text-decoration text-decoration-color",
    "text-decoration-line text-decoration-skip text-decoration-skip-ink text-decoration-style",
    "text-decoration-thickness text-emphasis text-indent text-justify text-orientation text-overflow",
    "text-rendering text-shadow text-size-adjust text-transform text-underline-offset text-underline-position",
    "text-wrap top touch-action transform transform-origin transition transition-delay transition-duration",
    "transition-property transition-timing-function translate unicode-bidi unicode-range user-select",
    "vertical-align visibility white-space white-space-collapse widows width will-change word-break word-spacing",
    "word-wrap writing-mode z-index zoom",
)
"""Properties of CSS. Those with a maker's prefix and custom ones are not asked for."""

COLOURS: Final = _set(
    "aliceblue antiquewhite aqua aquamarine azure beige bisque black blanchedalmond blue blueviolet brown burlywood",
    "cadetblue chartreuse chocolate coral cornflowerblue cornsilk crimson cyan darkblue darkcyan darkgoldenrod",
    "darkgray darkgreen darkgrey darkkhaki darkmagenta darkolivegreen darkorange darkorchid darkred darksalmon",
    "darkseagreen darkslateblue darkslategray darkslategrey darkturquoise darkviolet deeppink deepskyblue dimgray",
    "dimgrey dodgerblue firebrick floralwhite forestgreen fuchsia gainsboro ghostwhite gold goldenrod gray green",
    "greenyellow grey honeydew hotpink indianred indigo ivory khaki lavender lavenderblush lawngreen lemonchiffon",
    "lightblue lightcoral lightcyan lightgoldenrodyellow lightgray lightgreen lightgrey lightpink lightsalmon",
    "lightseagreen lightskyblue lightslategray lightslategrey lightsteelblue lightyellow lime limegreen linen magenta",
    "maroon mediumaquamarine mediumblue mediumorchid mediumpurple mediumseagreen mediumslateblue mediumspringgreen",
    "mediumturquoise mediumvioletred midnightblue mintcream mistyrose moccasin navajowhite navy oldlace olive",
    "olivedrab orange orangered orchid palegoldenrod palegreen paleturquoise palevioletred papayawhip peachpuff peru",
    "pink plum powderblue purple rebeccapurple red rosybrown royalblue saddlebrown salmon sandybrown seagreen",
    "seashell sienna silver skyblue slateblue slategray slategrey snow springgreen steelblue tan teal thistle tomato",
    "turquoise violet wheat white whitesmoke yellow yellowgreen",
    "transparent currentcolor inherit initial unset revert auto none",
)
"""Words that stand for a colour, or for the lack of one."""
