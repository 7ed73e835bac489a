// How the dashboard looks: light and dark, wide and narrow.

extension DashboardPage {
    static let style = ##"""
        :root {
          --ground: #f5f6f8; --card: #ffffff; --line: #e2e5ea; --grid: #ebedf1; --text: #171a1f; --muted: #58616e;
          --blue: #2563eb; --orange: #c2570c; --teal: #0b8069; --rose: #b8327a; --violet: #6b48d6; --gold: #946c00;
          --grey: #6b7480; --red: #c02626; --heat: 37, 99, 235; --mark: #c2410c;
          --healthy: #0b7a55; --limit: #1d4fd7; --trouble: #b42318; --note: #58616e;
        }
        @media (prefers-color-scheme: dark) {
          :root {
            --ground: #0e1115; --card: #161a20; --line: #272d36; --grid: #222831; --text: #e9ecf1; --muted: #9aa4b2;
            --blue: #79a8ff; --orange: #f6a15c; --teal: #45cdb0; --rose: #f386bc; --violet: #b09aff; --gold: #e0bd52;
            --grey: #909aa8; --red: #ff8078; --heat: 121, 168, 255; --mark: #f08a4b;
            --healthy: #4fcf9c; --limit: #8db4ff; --trouble: #ff8d84; --note: #9aa4b2;
          }
        }
        * { box-sizing: border-box; }
        [hidden] { display: none !important; }
        html { -webkit-text-size-adjust: 100%; }
        body {
          margin: 0; background: var(--ground); color: var(--text); padding: 0 20px 24px;
          font: 14px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif;
          font-variant-numeric: tabular-nums;
        }
        h1, h2, h3, p, ul, dl, dd { margin: 0; padding: 0; font-weight: inherit; font-size: inherit; }
        ul { list-style: none; }
        a { color: inherit; }
        :focus-visible { outline: 2px solid var(--limit); outline-offset: 2px; border-radius: 4px; }
        #charts:focus { outline: none; }
        .hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
        .skip { position: absolute; left: -999px; }
        .skip:focus { left: 12px; top: 8px; background: var(--card); padding: 6px 10px; z-index: 2; }

        .top, main, footer { max-width: 1440px; margin: 0 auto; }
        .top { display: flex; align-items: center; gap: 12px; padding: 16px 0 14px; flex-wrap: wrap; }
        .mark { width: 30px; height: 30px; fill: var(--mark); flex: none; }
        .name { flex: 1 1 auto; min-width: 0; }
        h1 { font-size: 17px; font-weight: 650; line-height: 1.2; }
        #server { color: var(--muted); font-size: 13px; }
        #server, .panel h3 { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
        .link { display: flex; align-items: center; gap: 7px; color: var(--muted); font-size: 13px; }
        .link i { width: 9px; height: 9px; border-radius: 50%; background: var(--grey); }
        .link.live i { background: var(--healthy); }
        .link.lost { color: var(--trouble); font-weight: 600; }
        .link.lost i { background: var(--trouble); border-radius: 0; }
        .ranges { display: flex; border: 1px solid var(--line); border-radius: 8px; overflow: hidden; }
        .ranges button {
          font: inherit; font-size: 13px; color: var(--muted); background: var(--card); border: 0; padding: 6px 12px;
          cursor: pointer; min-height: 32px;
        }
        .ranges button + button { border-left: 1px solid var(--line); }
        .ranges button[aria-pressed="true"] { color: var(--text); font-weight: 650; background: var(--grid); }
        .ranges button:focus-visible { outline-offset: -3px; }

        .verdict, .panel { background: var(--card); border: 1px solid var(--line); border-radius: 12px; }
        .verdict {
          --tone: var(--note); display: grid; grid-template-columns: auto minmax(0, 1.25fr) minmax(0, 1fr);
          gap: 4px 18px; padding: 18px 20px; border-left: 5px solid var(--tone); margin-bottom: 14px;
        }
        .verdict[data-severity="healthy"] { --tone: var(--healthy); }
        .verdict[data-severity="limit"] { --tone: var(--limit); }
        .verdict[data-severity="trouble"] { --tone: var(--trouble); }
        .sign svg { width: 38px; height: 38px; fill: var(--tone); display: block; }
        .eyebrow { color: var(--muted); font-size: 12.5px; display: flex; gap: 10px; align-items: baseline; }
        #severity { color: var(--tone); font-weight: 650; }
        #limit { font-size: 25px; font-weight: 680; line-height: 1.2; letter-spacing: -0.01em; margin: 1px 0 3px; }
        #limit::first-letter, .further h3::first-letter { text-transform: uppercase; }
        #sentence { font-size: 15.5px; max-width: 60ch; text-wrap: pretty; }
        .advice { margin-top: 10px; display: grid; gap: 5px; }
        .advice li { padding-left: 20px; position: relative; max-width: 72ch; color: var(--muted); }
        .advice li::before { content: "→"; position: absolute; left: 0; color: var(--tone); font-weight: 700; }
        .advice b { color: var(--text); font-weight: 600; }
        .facts { display: grid; grid-template-columns: 1fr auto; align-content: start; }
        .facts dt, .facts dd { padding: 4px 0; border-bottom: 1px solid var(--grid); }
        .facts dt { color: var(--muted); padding-right: 14px; }
        .facts dd { text-align: right; font-weight: 600; white-space: nowrap; }
        #further { grid-column: 2 / -1; margin-top: 10px; }
        #further summary { cursor: pointer; color: var(--muted); }
        .further { padding: 10px 0 2px; }
        .further h3 { font-weight: 650; }

        .grid { display: grid; grid-template-columns: repeat(12, minmax(0, 1fr)); gap: 14px; }
        .panel { padding: 13px 15px 11px; grid-column: span 4; display: flex; flex-direction: column; min-width: 0; }
        .panel.wide { grid-column: span 8; }
        .panel.half { grid-column: span 6; }
        .panel > header { display: flex; justify-content: space-between; align-items: baseline; gap: 0 12px; }
        .panel h3 { font-weight: 650; }
        .panel .now { color: var(--muted); font-size: 12.5px; white-space: nowrap; }
        .panel .now b { color: var(--text); font-size: 20px; font-weight: 680; letter-spacing: -0.01em; }
        .plot { position: relative; flex: 1 0 168px; margin-top: 6px; }
        .plot canvas { position: absolute; width: 100%; height: 100%; touch-action: pan-y; cursor: crosshair; }
        .empty {
          position: absolute; inset: 0; display: grid; place-items: center; text-align: center; color: var(--muted);
          padding: 0 24px 12px; pointer-events: none; font-size: 13px;
        }
        .legend { display: flex; flex-wrap: wrap; gap: 3px 16px; margin-top: 7px; }
        .legend { font-size: 12.5px; color: var(--muted); }
        .legend li { display: flex; align-items: center; gap: 6px; white-space: nowrap; }
        .legend svg { width: 18px; height: 10px; flex: none; }
        .legend b { color: var(--text); font-weight: 600; min-width: 3.2em; }
        .scale { width: 76px; height: 9px; border-radius: 2px; }

        .ring { flex: 1; display: flex; align-items: center; gap: 20px; padding: 6px 4px 2px; flex-wrap: wrap; }
        .ring svg { width: 168px; height: 168px; flex: none; margin: 0 auto; }
        .ring circle { fill: none; stroke-width: 13; }
        .ring .track { stroke: var(--grid); }
        .ring .part { stroke: var(--teal); stroke-linecap: butt; }
        .ring.high .part { stroke: var(--red); }
        .ring text { fill: var(--text); text-anchor: middle; font-weight: 680; font-size: 25px; }
        .ring text + text { fill: var(--muted); font-weight: 400; font-size: 11px; }
        .ring .facts { flex: 1 1 150px; font-size: 13px; }

        .owners { display: grid; grid-template-columns: max-content 1fr max-content; gap: 5px 12px; margin-top: 8px; }
        .owners { font-size: 13px; align-items: center; flex: 1; align-content: space-evenly; }
        .owners .bars { display: grid; gap: 2px; }
        .owners .bar { height: 7px; background: var(--grid); border-radius: 2px; overflow: hidden; }
        .owners .bar i { display: block; height: 100%; background: var(--blue); }
        .owners .bar + .bar i {
          background: repeating-linear-gradient(90deg, var(--orange) 0 4px, transparent 4px 6px);
        }
        .owners .value { text-align: right; color: var(--muted); white-space: nowrap; }
        .owners .value b { color: var(--text); font-weight: 600; }

        footer { color: var(--muted); font-size: 12.5px; padding-top: 14px; }
        .noscript { padding: 20px; }
        body.stale .grid, body.stale .verdict { opacity: 0.55; }

        @media (max-width: 1080px) {
          .panel, .panel.half { grid-column: span 6; }
          .panel.wide { grid-column: span 12; }
          .verdict { grid-template-columns: auto minmax(0, 1fr); }
          #evidence { grid-column: 2; margin-top: 12px; }
        }
        @media (max-width: 680px) {
          body { padding: 0 12px 20px; }
          .panel, .panel.half, .panel.wide { grid-column: span 12; }
          .top { gap: 8px 12px; padding: 12px 0; }
          .name { flex-basis: 55%; }
          .ranges { width: 100%; }
          .ranges button { flex: 1; min-height: 40px; }
          .verdict { grid-template-columns: minmax(0, 1fr); padding: 14px 16px; }
          .sign { display: none; }
          #evidence, #further { grid-column: 1; }
          #limit { font-size: 22px; }
          .plot { flex-basis: 150px; }
          .panel > header { flex-wrap: wrap; }
          .owners { grid-template-columns: 8.5em 1fr max-content; gap: 6px 10px; }
        }
        @media (prefers-reduced-motion: no-preference) { body.stale .grid { transition: opacity 0.3s; } }

        """##
}
