"""Outputs of notebooks that were written for Colab: scripts, callbacks and pages of the kernel."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from .conftest import PANEL, Open, run

DECLARED = """
from google.colab import output
from IPython.display import HTML, Javascript, display

output.register_callback('add', lambda *each, by=1: sum(each) * by)
display(Javascript('''
  async function answer(text) {
    const box = document.createElement('div');
    document.body.appendChild(box);
    const button = box.appendChild(document.createElement('button'));
    button.textContent = text;
    await new Promise(resolve => { button.onclick = resolve; });
    box.remove();
    return { text };
  }
'''))
"""


CALLS = """
button = '<button onclick="add(this)">Call</button>'
script = '''<script>
  async function add(button) {
    const { data } = await google.colab.kernel.invokeFunction('add', [20, 1], { by: 2 });
    button.textContent = 'It is ' + data['text/plain'];
  }
</script>'''
display(HTML(button + script))
print(output.eval_js('await document.querySelector("button").textContent'))
print(output.eval_js('new URL("/a", await google.colab.kernel.proxyPort(80)).pathname'))
output.eval_js('nothing.there')
"""

SERVES = """
import http.server, os, threading

os.makedirs('site', exist_ok=True)
open('site/told.txt', 'w').write('from its own file')
open('site/worker.js', 'w').write('postMessage("a worker")')
open('site/index.html', 'w').write('''<p id="told"></p><p id="seen"></p><p id="works"></p><script>
  fetch('/told.txt').then(said => said.text()).then(text => { told.textContent = text; });
  localStorage.setItem('a', 'b');
  new Worker('worker.js').onmessage = ({ data }) => { works.textContent = data; };
  try { seen.textContent = document.cookie + localStorage.a + parent.document.title; }
  catch (error) { seen.textContent = error.name; }
</script>''')

class Site(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *args):
        super().__init__(*args, directory='site')
    def log_message(self, *args):
        pass

server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Site)
threading.Thread(target=server.serve_forever, daemon=True).start()
output.serve_kernel_port_as_iframe(server.server_port, height=120)
"""

TABS = """
from google.colab import data_table, widgets
import pandas

tabs = widgets.TabBar(['Words', 'Table'])
with tabs.output_to('Words'):
    print('in the first tab')
with tabs.output_to('Table', select=False):
    numbers = pandas.DataFrame({'n': range(30), 'half': [n / 2 for n in range(30)]})
    display(data_table.DataTable(numbers, include_index=False, num_rows_per_page=5))
"""


def test_scripts_callbacks_and_served_pages(page: Page, open_notebook: Open) -> None:
    """A script's value, a Promise's and an error reach the cell, and a later script finds what an
    earlier one declared and drew; a page that is reloaded is asked again; outputs call the kernel;
    a page that the kernel serves is shown with its own files, and sees nothing of the notebook; of
    tabs one is seen, and tables sort."""
    cell = open_notebook(
        DECLARED + "print(output.eval_js('1 + 2'), output.eval_js('answer(\"Press\")'))",
        more=[CALLS, SERVES, TABS],
    )
    run(page, cell)
    expect(cell.get_by_role("button", name="Press")).to_be_visible()
    page.reload()
    cell.get_by_role("button", name="Press").click()
    expect(cell).to_contain_text("3 {'text': 'Press'}")
    expect(cell.get_by_role("button", name="Press")).to_have_count(0)
    second, third, fourth = (page.locator(f"{PANEL} .jp-CodeCell").nth(i) for i in (1, 2, 3))
    run(page, second)
    expect(second).to_contain_text("MessageError: ReferenceError: nothing is not defined")
    said = r"Call\s+/ropeway/kernels/[^/]+/ports/80/[0-9a-f]{64}/a\s*$"
    expect(second.locator(".jp-OutputArea-output").nth(1)).to_have_text(re.compile(said))
    second.get_by_role("button", name="Call").click()
    expect(second.get_by_role("button", name="It is 42")).to_be_visible()
    run(page, third)
    frame = third.frame_locator("iframe")
    expect(frame.locator("#told")).to_have_text("from its own file")
    expect(frame.locator("#seen")).to_have_text("SecurityError")
    expect(frame.locator("#works")).to_have_text("a worker")
    run(page, fourth)
    expect(fourth.get_by_text("in the first tab", exact=True)).to_be_visible()
    expect(fourth.get_by_text("1 to 5 of 30")).to_be_hidden()
    fourth.locator("label", has_text="Table").click()
    expect(fourth.get_by_text("in the first tab", exact=True)).to_be_hidden()
    rows = fourth.locator("tbody tr")
    for _ in range(2):  # up, then down
        fourth.get_by_role("button", name="half").click()
    expect(rows.first).to_have_text("2914.5")
    fourth.get_by_label("Filter").fill("1.5")
    expect(rows).to_have_count(2)
    expect(rows.first).to_have_text("2311.5")
