"""What `verify` found of links, as text."""

from uploader.model.counted import counted
from uploader.verify.link_judge import LinkVerdict
from uploader.verify.links import LinksReport

_WORDS = {
    LinkVerdict.EQUAL: "links equal",
    LinkVerdict.MISSING: "links missing",
    LinkVerdict.LABEL: "links without their label",
    LinkVerdict.PRIMARY: "links whose record is not the primary one: another is",
    LinkVerdict.UNCHECKED: "links not checked",
    LinkVerdict.THERE: "pending links that are there",
    LinkVerdict.NOT_THERE: "pending links that are missing",
}
_ALWAYS = (LinkVerdict.EQUAL, LinkVerdict.MISSING)


def link_lines(links: LinksReport) -> list[str]:
    lines = [
        f"{count:>12,}  {_WORDS[verdict]}"
        for verdict, count in links.counts.items()
        if count or verdict in _ALWAYS
    ]
    if links.left:
        lines.append(f"{links.left:>12,}  left to read")
    lines.append(f"{links.compared:>12,}  links that the job made, found or had no answer for")
    if links.not_made:
        not_made = counted(links.not_made, "link was", "links were")
        lines.append(f"{not_made} not made (missing or rejected), and not compared")
    if links.open:
        lines.append(f"{counted(links.open, 'link is', 'links are')} still to be made, and not compared")
    return lines
