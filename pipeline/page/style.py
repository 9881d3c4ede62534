"""The look of a report."""

STYLE = """
*{box-sizing:border-box}html{scroll-padding-top:3.2rem}
body{font:15px/1.5 system-ui,sans-serif;color:#222;background:#fff;margin:0}
main,header{max-width:1240px;margin:0 auto;padding:0 1rem}
h1{font-size:1.6rem;margin:1.4rem 0 .2rem;overflow-wrap:anywhere}
h2{font-size:1.25rem;margin:2.6rem 0 .6rem;border-bottom:1px solid #ccc;padding-bottom:.2rem}
h3{font-size:1.05rem;margin:1.6rem 0 .3rem;overflow-wrap:anywhere}
h4{font-size:.85rem;font-weight:600;margin:.2rem 0;overflow-wrap:anywhere}
.sub{color:#555;overflow-wrap:anywhere}
nav{position:sticky;top:0;z-index:2;background:#fff;border-bottom:1px solid #ccc}
nav ul{display:flex;gap:.2rem 1.1rem;overflow-x:auto;list-style:none;max-width:1240px;margin:0 auto;
padding:.5rem 1rem;white-space:nowrap}
a{color:#00508a}nav a{text-decoration:none}nav a:hover,nav a:focus{text-decoration:underline}
:focus-visible{outline:3px solid #0072B2;outline-offset:2px}
.answer{border-left:5px solid #D55E00;background:#fff6f0;padding:.7rem 1rem;margin:1rem 0}
.answer p{margin:.2rem 0;font-size:1.05rem;overflow-wrap:anywhere}
.answer .note{font-size:.9rem;color:#333}
pre{background:#f4f4f4;padding:.6rem .8rem;white-space:pre-wrap;overflow-wrap:anywhere;border-radius:4px;
font-size:13px;margin:.3rem 0}
.code{position:relative}.code pre{padding-right:4.6rem}
.code button{position:absolute;top:.35rem;right:.35rem}
button,select,input{font:inherit;font-size:13px;padding:.2rem .6rem;border:1px solid #888;border-radius:4px;
background:#fff;color:#222;max-width:100%}button{cursor:pointer}button:disabled{color:#777;cursor:default}
details{margin:.5rem 0}summary{cursor:pointer}
p,li,summary,figcaption{overflow-wrap:anywhere}nav li{overflow-wrap:normal}
table{border-collapse:collapse;font-size:13px;margin:.4rem 0}
th,td{padding:.25rem .6rem;text-align:right;vertical-align:top}
table[data-rows] td,.wide td:not(.left){white-space:nowrap}
th{border-bottom:2px solid #999;vertical-align:bottom}td{border-bottom:1px solid #e5e5e5}
td:first-child,th:first-child,.left{text-align:left}
.wide{overflow-x:auto;max-width:100%}
.facts td{overflow-wrap:anywhere}.facts td:first-child{white-space:nowrap}
.ci{color:#555;font-size:11px;display:block;white-space:nowrap}
th button{border:0;padding:0;background:none;font-weight:600;text-align:inherit}
th[aria-sort=ascending] button::after{content:" \\25B2"}
th[aria-sort=descending] button::after{content:" \\25BC"}
tr.recommended td{background:#fff0e5;font-weight:600}tr.baseline td{background:#efefef}
tr.recommended td:first-child{box-shadow:inset 4px 0 #D55E00}
tr.baseline td:first-child{box-shadow:inset 4px 0 #222}
.pager{display:flex;flex-wrap:wrap;gap:.5rem;align-items:center;margin:.4rem 0}
figure{margin:1rem 0 1.8rem}figcaption{color:#444;font-size:13px;max-width:860px}
.panels{display:grid;gap:1rem 1.4rem;grid-template-columns:minmax(0,1fr)}
@media(min-width:700px){.panels.two{grid-template-columns:repeat(2,minmax(0,1fr))}
.panels.three{grid-template-columns:repeat(2,minmax(0,1fr))}}
@media(min-width:1050px){.panels.three{grid-template-columns:repeat(3,minmax(0,1fr))}}
.panel{min-width:0}.panel.one{max-width:900px}.chart{width:100%;overflow-x:auto;min-height:60px}
.vega-embed{width:100%}
.keys{display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;font-size:13px;margin:.3rem 0;padding:0;list-style:none}
.key svg{vertical-align:-2px}
.machine{width:100%;height:auto;display:block}
.none{color:#555;font-style:italic}
@media print{nav,.code button,.pager,.pick{display:none}body{font-size:11px}main,header{max-width:none}
figure,.answer,tr{break-inside:avoid}.wide,.chart{overflow:visible}pre{font-size:10px}}
"""
