/// How a report looks: one sheet for light and dark screens and for paper. No `<`, no `&`: the page is
/// XML as well as HTML.
enum ReportStyle {
    static let sheet = variables + page + tables + figures + paper

    private static let variables = """
        :root{color-scheme:light dark;--paper:#f7f7f5;--card:#fff;--line:#e2e3e8;--ink:#1b1d24;\
        --soft:#5c6070;--faint:#eff0f4;--accent:#0062a0;--good:#0f7a53;--bad:#b3261e;--warn:#8f5f00;\
        --goodbg:#e2f3ea;--badbg:#fbe7e4;--warnbg:#fbf0d9;\
        --succeeded:#2a9d70;--failed:#d0443a;--running:#2f7fc1;--queued:#a9b0c0;--held:#d3b36b;\
        --cancelled:#7c8090;--interrupted:#d3b36b;\
        --s0:#0f6fb0;--s1:#d9702a;--s2:#0d8a68;--s3:#a8478a;--s4:#8a7713;--s5:#6548a8;--s6:#3a9cc4;\
        --s7:#99334c}
        @media (prefers-color-scheme:dark){:root{--paper:#13151a;--card:#1b1e25;--line:#2e323c;\
        --ink:#e6e8ee;--soft:#9da3b4;--faint:#242831;--accent:#6db7ee;--good:#5fcf9f;--bad:#ff8a7d;\
        --warn:#e6b450;--goodbg:#15352a;--badbg:#43211f;--warnbg:#3a2f17;\
        --succeeded:#3fae82;--failed:#e2645a;--running:#4f9fdd;--queued:#596072;--held:#b0934f;\
        --cancelled:#858b9b;--interrupted:#b0934f;\
        --s0:#4d9fdb;--s1:#e58a4b;--s2:#3cb28d;--s3:#c870ac;--s4:#b8a341;--s5:#9480d6;--s6:#6cc0e2;\
        --s7:#cf6a82}}

        """

    private static let page = """
        *{box-sizing:border-box}
        body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,-apple-system,\
        "Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif}
        main{max-width:1240px;margin:0 auto;padding:28px 24px 60px}
        h1{font-size:26px;line-height:1.25;margin:0;overflow-wrap:anywhere}
        h2{font-size:18px;margin:40px 0 12px}
        h3{font-size:15px;margin:0 0 6px}
        p{margin:6px 0}
        a{color:var(--accent)}
        code,pre{font-family:ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;\
        font-size:12.5px}
        header{display:flex;gap:8px 16px;align-items:center;flex-wrap:wrap}
        .meta{color:var(--soft);font-size:13px;overflow-wrap:anywhere;flex-basis:100%}
        .meta b{font-weight:600;color:var(--ink)}
        nav{display:flex;gap:4px 18px;flex-wrap:wrap;font-size:13.5px;margin:14px 0 0}
        .badge{display:inline-block;border-radius:99px;padding:2px 12px;font-weight:600;font-size:13px;\
        background:var(--faint);color:var(--soft)}
        .badge.good,.yes{background:var(--goodbg);color:var(--good)}
        .badge.bad,.no{background:var(--badbg);color:var(--bad)}
        .badge.warn{background:var(--warnbg);color:var(--warn)}
        .yes,.no{border-radius:5px;padding:0 6px;font-weight:600;font-size:12.5px;white-space:nowrap}
        .card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:14px 16px}
        .cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(178px,1fr));gap:12px;\
        margin-top:12px}
        .cards .label{color:var(--soft);font-size:13px}
        .cards .big{font-size:25px;font-weight:650;letter-spacing:-.01em;line-height:1.3;\
        font-variant-numeric:tabular-nums}
        .cards .sub{color:var(--soft);font-size:12.5px}
        .meter{height:6px;border-radius:3px;background:var(--faint);overflow:hidden;margin:7px 0 5px;\
        display:block}
        .meter i{display:block;height:100%;background:var(--s2)}
        .states{display:flex;height:16px;border-radius:8px;overflow:hidden;background:var(--faint)}
        .states i{display:block;min-width:3px}
        .legend{display:flex;flex-wrap:wrap;gap:3px 18px;margin-top:9px;font-size:13px}
        .legend i{display:inline-block;width:10px;height:10px;border-radius:3px;margin-right:6px}
        .legend b{font-variant-numeric:tabular-nums}
        .soft{color:var(--soft)}
        .small{font-size:12.5px}
        .note{color:var(--soft);font-size:13px;margin:8px 0 0}
        .warning{color:var(--warn);font-size:12.5px}
        .two{display:grid;grid-template-columns:repeat(auto-fit,minmax(430px,1fr));gap:12px}
        .two .card,.cards .card{min-width:0}
        details summary{cursor:pointer;color:var(--accent);font-size:13px}
        .group{margin-bottom:12px}
        .command{display:flex;gap:8px;align-items:flex-start;margin:8px 0 2px}
        .command pre{flex:1;margin:0;background:var(--faint);border-radius:7px;padding:8px 11px;\
        white-space:pre-wrap;overflow-wrap:anywhere}
        button{font:inherit;font-size:12.5px;border:1px solid var(--line);background:var(--card);\
        color:var(--ink);border-radius:7px;padding:6px 11px;cursor:pointer}
        button:hover{border-color:var(--soft)}
        .tools{display:flex;gap:8px;flex-wrap:wrap;margin:0 0 10px;align-items:center}
        .tools[hidden],button[hidden]{display:none}
        .tools input,.tools select{font:inherit;font-size:13.5px;padding:6px 10px;color:var(--ink);\
        border:1px solid var(--line);border-radius:7px;background:var(--card)}
        .tools input{flex:1;min-width:180px;max-width:420px}
        footer{margin-top:44px;padding-top:14px;border-top:1px solid var(--line);color:var(--soft);\
        font-size:12.5px}

        """

    private static let tables = """
        .scroll{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:10px}
        table{border-collapse:collapse;width:100%;font-size:13.5px}
        th,td{text-align:left;vertical-align:top;padding:8px 10px;border-bottom:1px solid var(--line)}
        tbody tr:last-child td,tbody tr:last-child th{border-bottom:0}
        th{font-weight:600;font-size:12.5px;color:var(--soft);vertical-align:bottom;line-height:1.3}
        tbody th{color:var(--ink);font-size:13.5px;vertical-align:top}
        th.n,td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
        th.sort{cursor:pointer}
        th.sort:hover{color:var(--ink)}
        th[aria-sort=ascending]::after{content:" ▲"}
        th[aria-sort=descending]::after{content:" ▼"}
        .text{overflow-wrap:anywhere;white-space:pre-wrap;min-width:15ch;max-width:44ch;\
        unicode-bidi:plaintext}
        .clip{max-height:12em;overflow:auto}
        .path,.video{overflow-wrap:anywhere}
        .method{min-width:17ch;font-size:12.5px}
        .share{--v:0;background:linear-gradient(var(--s2),var(--s2)) no-repeat right 10px top 30px/\
        calc((100% - 20px)*var(--v)) 3px}
        tr[hidden]{display:none}
        td.video{width:132px;min-width:112px;font-size:12.5px;line-height:1.3}
        .t{display:block;width:96px;height:54px;border-radius:5px;background:var(--faint) center/cover \
        no-repeat;position:relative;overflow:hidden;margin-bottom:4px;print-color-adjust:exact;\
        -webkit-print-color-adjust:exact}
        .t.none::after{content:"";position:absolute;left:42px;top:18px;border:9px solid transparent;\
        border-left:14px solid var(--queued);border-right:0}
        .grid2{display:grid;grid-template-columns:auto auto auto;gap:0;width:max-content;font-size:13.5px}
        .grid2 span{padding:7px 14px;border-bottom:1px solid var(--line);text-align:right;\
        font-variant-numeric:tabular-nums}
        .grid2 span.h{color:var(--soft);font-size:12.5px}
        .grid2 b{font-size:16px}

        """

    private static let figures = """
        svg{display:block;width:100%;height:auto}
        svg text{font:11px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;\
        fill:var(--soft)}
        svg text.b{fill:var(--ink)}
        svg .e{text-anchor:end}
        svg .m{text-anchor:middle}
        svg .grid{stroke:var(--line);stroke-width:1;fill:none}
        svg .axis{stroke:var(--soft);stroke-width:1;fill:none}
        svg .median{stroke:var(--ink);stroke-width:1.2;stroke-dasharray:3 3;fill:none}
        svg .lane{fill:var(--faint)}
        .s0{fill:var(--s0);background:var(--s0)}
        .s1{fill:var(--s1);background:var(--s1)}
        .s2{fill:var(--s2);background:var(--s2)}
        .s3{fill:var(--s3);background:var(--s3)}
        .s4{fill:var(--s4);background:var(--s4)}
        .s5{fill:var(--s5);background:var(--s5)}
        .s6{fill:var(--s6);background:var(--s6)}
        .s7{fill:var(--s7);background:var(--s7)}
        .succeeded{fill:var(--succeeded);background:var(--succeeded)}
        .failed{fill:var(--failed);background:var(--failed)}
        .running{fill:var(--running);background:var(--running)}
        .queued{fill:var(--queued);background:var(--queued)}
        .held{fill:var(--held);background:var(--held)}
        .cancelled{fill:var(--cancelled);background:var(--cancelled)}
        .interrupted{fill:var(--interrupted);background:var(--interrupted)}

        """

    private static let paper = """
        @media print{:root{color-scheme:light;--paper:#fff;--card:#fff;--line:#d5d7de;--ink:#000;\
        --soft:#444854;--faint:#eff0f4;--accent:#004f82;--good:#0f7a53;--bad:#b3261e;--warn:#8f5f00;\
        --goodbg:#e2f3ea;--badbg:#fbe7e4;--warnbg:#fbf0d9;\
        --succeeded:#2a9d70;--failed:#d0443a;--running:#2f7fc1;--queued:#a9b0c0;--held:#d3b36b;\
        --cancelled:#7c8090;--interrupted:#d3b36b;\
        --s0:#0f6fb0;--s1:#d9702a;--s2:#0d8a68;--s3:#a8478a;--s4:#8a7713;--s5:#6548a8;--s6:#3a9cc4;\
        --s7:#99334c}
        *{print-color-adjust:exact;-webkit-print-color-adjust:exact}
        body{font-size:10pt}main{max-width:none;padding:0}
        nav,.tools,button,.command button{display:none}
        h2{break-after:avoid;margin-top:22px}
        .card,tr,svg,.group{break-inside:avoid}
        thead{display:table-header-group}
        svg text{font-size:13px}
        .scroll{overflow:visible}
        .clip{max-height:none;overflow:visible}
        table{font-size:8.5pt}th{font-size:8pt}th,td{padding:4px 5px}
        .t{width:64px;height:36px}.t.none::after{left:26px;top:9px}
        td.video{width:auto;min-width:0;font-size:7.5pt}.text{min-width:0}
        .two{grid-template-columns:1fr 1fr}
        }
        @media (max-width:620px){main{padding:18px 12px 40px}.two{grid-template-columns:1fr}}

        """
}
