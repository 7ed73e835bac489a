// The dashboard as one document: markup here, style and scripts in the extensions.

/// A page that needs nothing from elsewhere. Written by hand, without a build step; the parts are joined once.
struct DashboardPage: Sendable {
    /// The document around the places where a response's nonce goes.
    private let parts: [Substring]

    private static let noncePlace: Character = "\u{1A}"

    init() {
        let script = Self.historyScript + Self.formatScript + Self.chartScript + Self.panelScript + Self.mainScript
        let document = Self.head + Self.style + Self.body + script + Self.end
        parts = document.split(separator: Self.noncePlace, omittingEmptySubsequences: false)
    }

    /// - Parameter nonce: Names the page's own style and script to the browser, which runs no others.
    func document(nonce: String) -> [UInt8] {
        Array(parts.joined(separator: nonce).utf8)
    }

    /// The policy for a document with this nonce: nothing is loaded but the page's own data.
    static func contentSecurityPolicy(nonce: String) -> String {
        """
        default-src 'none'; style-src 'nonce-\(nonce)'; script-src 'nonce-\(nonce)'; connect-src 'self'; \
        img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'
        """
    }

    private static let head = ##"""
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>Pagoda</title>
        <link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'%3E\##
        %3Cpath fill='%23c2410c' d='M12 1l5 5h-2v3h5l-2.5 3H16v3h6l-3 4h-1v4h-4v-5h-4v5H6v-4H5l-3-4h6v-3H6.5\##
        L4 9h5V6H7z'\##
        /%3E%3C/svg%3E">
        <style nonce="\##(noncePlace)">

        """##

    private static let body = ##"""
        </style>
        </head>
        <body>
        <a class="skip" href="#charts">Skip to the charts</a>
        <header class="top">
        <svg class="mark" viewBox="0 0 24 24" aria-hidden="true"><path d="M12 1l5 5h-2v3h5l-2.5 3H16v3h6l-3 4h-1v4h-4\##
        v-5h-4v5H6v-4H5l-3-4h6v-3H6.5L4 9h5V6H7z"/></svg>
        <div class="name"><h1>Pagoda</h1><p id="server">&nbsp;</p></div>
        <p id="link" class="link" role="status"><i></i><span>connecting</span></p>
        <div class="ranges" role="group" aria-label="Time shown">
        <button type="button" data-range="300" aria-pressed="true">5 min</button>
        <button type="button" data-range="900" aria-pressed="false">15 min</button>
        <button type="button" data-range="3600" aria-pressed="false">1 hour</button>
        </div>
        </header>
        <main>
        <section id="verdict" class="verdict" aria-labelledby="verdict-label">
        <div class="sign" aria-hidden="true"><svg viewBox="0 0 24 24"><path></path></svg></div>
        <div class="what">
        <p class="eyebrow"><span id="verdict-label">What limits it now</span><span id="severity"></span></p>
        <h2 id="limit">&nbsp;</h2>
        <p id="sentence">&nbsp;</p>
        <ul id="advice" class="advice"></ul>
        </div>
        <dl id="evidence" class="facts"></dl>
        <details id="further" hidden><summary></summary><div></div></details>
        </section>
        <div id="charts" class="grid" tabindex="-1"></div>
        </main>
        <footer>
        <p>Sampled every second from the same numbers as <a href="metrics">/metrics</a>; kept for an hour, in memory.
        Arrow keys move along a chart.</p>
        </footer>
        <p id="readout" class="hidden" aria-live="polite"></p>
        <noscript><p class="noscript">This page draws with JavaScript. The numbers are at
        <a href="metrics">/metrics</a>; <code>pagoda doctor</code> reads them too.</p></noscript>
        <script nonce="\##(noncePlace)">
        "use strict";

        """##

    private static let end = """
        </script>
        </body>
        </html>

        """
}
