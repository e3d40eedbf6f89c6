"""The report as one HTML page that needs no other file and no network.

Settings and functions in texts, which stand in backticks, are shown as code.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from napari_superres.errors import spelled

if TYPE_CHECKING:
    from napari_superres.evaluation.reporting.questions import Answer

Figure = tuple[str, str]
"""Caption and data URI."""

_TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Super-resolution report</title>
<style>
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:76rem;padding:0 1rem;color:#222}
table{border-collapse:collapse;font-size:13px}th,td{padding:.2rem .5rem;border-bottom:1px solid #ddd;text-align:right}
th:nth-child(-n+3),td:nth-child(-n+3){text-align:left}th{border-bottom:2px solid #888;vertical-align:bottom}
tr.judged td{font-weight:600}.wide{overflow-x:auto}
.answer{display:grid;grid-template-columns:1rem 19rem 8rem 1fr;gap:.7rem;padding:.25rem 0;border-bottom:1px solid #eee}
.answer i{width:.8rem;height:.8rem;border-radius:50%;margin-top:.35rem;background:#aaa}
.yes i{background:#2a8a3c}.no i{background:#c62828}.doubtful i{background:#e0a100}
.figures{display:flex;flex-wrap:wrap;gap:1rem}figure{margin:0}figcaption{font-size:13px;color:#444}
img{max-width:100%}dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem;color:#444;font-size:13px}
dt{font-weight:600}dd{margin:0}.warn{color:#8a3b00}
</style></head><body>
<h1>Super-resolution report</h1>
<p>No single number says whether a result can be believed; each question below has its own answer, and
&ldquo;not measurable&rdquo; is one of them.</p>
{% for name, answers in answers.items() %}
<h2>{{ name }}</h2>
{% for answer in answers %}
<div class="answer {{ answer.state.split()[0] }}"><i></i><b>{{ answer.question }}</b><span>{{ answer.state }}</span>
<span>{{ answer.reason | code }}</span></div>
{% endfor %}
{% endfor %}
{% if rows %}
<h2>Metrics</h2>
<div class="wide"><table><thead><tr>{% for c in columns %}<th>{{ c }}</th>{% endfor %}</tr></thead><tbody>
{% for role, cells in rows %}
<tr class="{{ role }}">{% for cell in cells %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}
</tbody></table></div>
{% endif %}
{% if objects %}
<h2>Objects</h2>
<div class="wide"><table><thead><tr>{% for c in objects[0] %}<th>{{ c }}</th>{% endfor %}</tr></thead><tbody>
{% for cells in objects[1:] %}
<tr>{% for cell in cells %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}
</tbody></table></div>
{% endif %}
{% for line in comparisons %}<p>{{ line }}</p>{% endfor %}
{% for title, pictures in gallery %}
<h2>{{ title }}</h2>
<div class="figures">
{% for caption, uri in pictures %}<figure><img src="{{ uri }}" alt="{{ caption }}">
<figcaption>{{ caption }}</figcaption></figure>
{% endfor %}
</div>
{% endfor %}
<h2>How it was measured</h2>
<dl>{% for key, value in conventions.items() %}<dt>{{ key }}</dt><dd>{{ value }}</dd>
{% endfor %}</dl>
{% for note in notes %}<p>Note: {{ note | code }}</p>{% endfor %}
{% for failure in failures %}
<p class="warn">Not compared: {{ failure.image }}: {{ failure.reason | code }}</p>
{% endfor %}
</body></html>
"""


def render(
    *,
    answers: Mapping[str, Sequence["Answer"]],
    columns: Sequence[str],
    rows: Sequence[tuple[str, Sequence[str]]],
    comparisons: Sequence[str],
    gallery: Sequence[tuple[str, Sequence[Figure]]],
    conventions: Mapping[str, str],
    notes: Sequence[str],
    failures: Sequence[Mapping[str, str]],
    objects: Sequence[Sequence[str]] | None,
) -> str:
    """Return the page of a report whose numbers and pictures are texts already.

    Parameters
    ----------
    answers
        Answers by image.
    columns, rows
        Titles of the table's columns; role and cells of its rows.
    comparisons, conventions, notes, failures
        As in `Report`.
    gallery
        Titles of sections, each with captions and pictures as data URIs.
    objects
        Cells of the table of objects, titles first; None for none.
    """
    from jinja2 import Environment

    environment = Environment(autoescape=True, trim_blocks=True)
    environment.filters["code"] = _with_code
    return environment.from_string(_TEMPLATE).render(
        answers=answers,
        columns=columns,
        rows=rows,
        comparisons=comparisons,
        gallery=gallery,
        conventions=conventions,
        notes=notes,
        failures=failures,
        objects=objects,
    )


def _with_code(text: str) -> str:
    """Return a text as HTML, with its settings and functions as code."""
    from markupsafe import Markup, escape

    # Escaped first: only the tags that are added here are tags.
    return Markup(
        spelled(
            str(escape(text)),
            lambda name, value: f"<code>{name}{f'={value}' if value else ''}</code>",
            lambda name: f"<code>{name}()</code>",
        )
    )
