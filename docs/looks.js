"use strict";
// What the theme leaves out for whoever has no mouse or no screen: tables too wide are scrolled by keys, the search has a name.
function reachable() {
  for (const wide of document.querySelectorAll(".md-typeset__scrollwrap, .md-typeset__table"))
    wide.tabIndex = wide.scrollWidth > wide.clientWidth ? 0 : -1;
}
document.querySelector("[role=dialog].md-search").ariaLabel = "Search";
for (const event of ["load", "resize"]) addEventListener(event, reachable);
