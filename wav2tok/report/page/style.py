"""The page's looks: one sheet, light and dark, from a phone's width up. Nothing is fetched."""

# The policy holds even if a name carries markup: no script runs, and pictures and sounds are those in the page.
HEAD = """<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:">
<link rel="icon" href="data:,">"""

SHEET = """
:root { color-scheme: light dark; --ground: #fff; --card: #f6f7f9; --ink: #16191d; --soft: #59626d; --line: #d6dade;
 --good: #1b7a3d; --bad: #b3261e; --heat: 31 95 168; --ours: #1f5fa8; --edge: #0003;
 --s0: #1f5fa8; --s1: #0b8a8f; --s2: #7b3fb5; --s3: #6b7280; --s4: #c2680a; --s5: #8a5a3b;
 --s6: #3a8f4d; --s7: #b3266e; --s8: #8a8500; --s9: #d0342c; --s10: #2a9bd6; --s11: #a06a9c; }
@media (prefers-color-scheme: dark) { :root { --ground: #14171a; --card: #1e2328; --ink: #e8eaed; --soft: #a3adb8;
 --line: #3a424a; --good: #7fd69a; --bad: #ff9d94; --heat: 96 165 250; --ours: #6cb0ff; --edge: #fff4;
 --s0: #6cb0ff; --s1: #4fd0d3; --s2: #c79bff; --s3: #aab2bd; --s4: #f5a855; --s5: #d3a283;
 --s6: #7fd692; --s7: #ff8fc0; --s8: #d8d24a; --s9: #ff7b73; --s10: #8fd3ff; --s11: #d5a8d1; } }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 76rem; padding: 1rem; background: var(--ground);
 color: var(--ink); overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: .5rem 0; }
h2 { font-size: 1.25rem; margin: 2.4rem 0 .4rem; padding-top: .5rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.1rem 0 .3rem; }
p, ul, ol { margin: .4rem 0; max-width: 48rem; }
.soft, figcaption, caption { color: var(--soft); font-size: .85rem; }
nav { display: flex; flex-wrap: wrap; gap: .1rem 1rem; margin: .8rem 0; }
a { color: var(--ours); }
.verdict { border-left: .35rem solid; padding: .2rem .8rem; margin: .8rem 0; }
.verdict strong { font-size: 1.15rem; }
.verdict.good { border-color: var(--good); } .good > strong { color: var(--good); }
.verdict.bad { border-color: var(--bad); } .bad > strong { color: var(--bad); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(7.4rem, 1fr)); gap: .6rem; margin: 1rem 0; }
.tiles div { background: var(--card); border-radius: .5rem; padding: .5rem .7rem; }
.tiles b { display: block; font-size: 1.4rem; line-height: 1.3; font-variant-numeric: tabular-nums; }
.tiles span { color: var(--soft); font-size: .85rem; }
.box { overflow-x: auto; max-width: 100%; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; }
th, td { text-align: left; padding: .3rem .9rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; } tbody th { font-weight: 400; }
td.number, thead th + th { text-align: right; }
.scores thead th + th, .heat th + th { text-align: left; } th > .t { border-radius: .2rem; padding: 0 .35rem; }
.scores { width: 100%; } .scores td { min-width: 7.5rem; }
.scores .ours { color: var(--ours); }
.scores .best b { font-weight: 800; } .scores b { font-weight: 400; }
.scores small { color: var(--soft); white-space: nowrap; }
.scores .mark { color: var(--soft); font-weight: 600; }
.bar { display: block; position: relative; height: .45rem; background: var(--card); border-radius: .2rem;
 margin: .1rem 0; }
.bar i { position: absolute; inset: 0 auto 0 0; background: var(--s3); border-radius: .2rem; opacity: .55; }
.ours .bar i { background: var(--ours); opacity: .8; }
.bar u { position: absolute; top: 35%; height: 30%; background: var(--ink); }
@media (max-width: 44rem) { .scores, .scores thead, .scores tbody { display: block; }
 .scores tr { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 0 .5rem; padding: .35rem 0;
 border-bottom: 1px solid var(--line); } .scores th[scope=row], .scores thead th:first-child { grid-column: 1 / -1; }
 .scores thead th:first-child { display: none; }
 .scores th, .scores td { border: 0; padding: 0; min-width: 0; } .scores small { font-size: .7rem; } }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr)); gap: .5rem 1.2rem; }
.plots figure { margin: 0; max-width: 26rem; }
svg { width: 100%; height: auto; display: block; } svg text { fill: var(--soft); font-size: 11px; }
svg .grid { stroke: var(--line); stroke-width: 1; } svg .axis { stroke: var(--soft); stroke-width: 1; }
svg .curve { fill: none; stroke-width: 1.6; } svg .first { stroke-width: 3; }
svg .even { stroke: var(--ink); stroke-dasharray: 5 4; } svg .share { fill: var(--ours); opacity: .8; }
.legend { display: flex; flex-wrap: wrap; gap: .1rem 1.1rem; font-size: .85rem; padding: 0; list-style: none;
 max-width: none; } .legend svg { display: inline-block; width: 2.2rem; height: .7rem; margin-right: .3rem; }
.heat { font-size: .72rem; }
.heat th, .heat td { padding: 0; border: 1px solid var(--ground); line-height: 1.55rem; }
.heat td { min-width: 1.75rem; text-align: center; background: rgb(var(--heat) / var(--v, 0)); }
.heat td:empty { background: var(--card); }
.heat td.full { color: #fff; }
.heat td.right { outline: 1px solid var(--edge); outline-offset: -2px; }
.heat tbody th { position: sticky; left: 0; background: var(--ground); padding-right: .5rem; max-width: 8rem;
 white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.heat thead th { vertical-align: bottom; font-weight: 400; }
.heat thead th span { writing-mode: vertical-rl; transform: rotate(180deg); max-height: 8rem; padding-top: .3rem;
 white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
@media (prefers-color-scheme: dark) { .heat td.full { color: #000; } }
.case { background: var(--card); border-radius: .6rem; padding: .7rem .9rem; margin: 1rem 0; }
.case h3 { margin-top: 0; }
.heard { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 15rem), 1fr)); gap: .8rem; }
.heard figure { margin: 0; min-width: 0; } .heard img { display: block; width: 100%; height: 5.5rem;
 border-radius: .25rem .25rem 0 0; }
.heard audio { width: 100%; height: 2.4rem; margin-top: .35rem; }
.blocks { display: flex; height: 1.3rem; overflow: hidden; border-radius: 0 0 .25rem .25rem; }
.blocks span { flex: var(--n) 1 0; min-width: 0; overflow: hidden; font-size: .66rem; line-height: 1.3rem;
 text-align: center; box-shadow: inset -1px 0 var(--edge); }
.t { background: hsl(calc(var(--t) * 137.508) 62% 76%); color: #111; }
.edits { display: flex; flex-wrap: wrap; gap: .15rem; font-size: .75rem; font-variant-numeric: tabular-nums; }
.edits { row-gap: .5rem; margin: .2rem 0 .7rem; }
.edits span { display: grid; min-width: 1.7rem; text-align: center; border-radius: .2rem; overflow: hidden; }
.edits span > * { font-style: normal; padding: 0 .2rem; line-height: 1.3rem; min-height: 1.3rem; }
.edits i.gap { background: repeating-linear-gradient(135deg, var(--line) 0 2px, transparent 2px 6px); }
.edits u { text-decoration: none; color: var(--soft); line-height: 1rem; min-height: 1rem; }
.edits .sub u, .edits .ins u, .edits .del u { color: var(--bad); font-weight: 700; }
"""
