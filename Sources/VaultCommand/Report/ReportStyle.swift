/// The style of a report, of the same family as the pages of `serve`.
enum ReportStyle {
    static let sheet = """
        :root{color-scheme:light dark;--ground:#eef1f6;--card:#fff;--text:#1a2130;--quiet:#545e70;--line:#d5dbe5;
        --soft:#f4f6fa;--answered:#2450c8;--replayed:#1d8a99;--refused:#a86500;--revoked:#c0281f;--good:#17663a;
        --good-soft:#e7f5ec;--bad:#b3261e;--bad-soft:#fdeeed;--shadow:0 1px 2px rgb(20 30 60/8%),0 12px 40px rgb(20 30 60/8%)}
        @media (prefers-color-scheme:dark){:root{--ground:#10141c;--card:#1a202c;--text:#e9edf5;--quiet:#a9b4c6;--line:#333d4f;
        --soft:#212938;--answered:#86a6ff;--replayed:#5ed0dd;--refused:#f0b45a;--revoked:#ff8d84;--good:#8fdcae;
        --good-soft:#1c3427;--bad:#ffb3ac;--bad-soft:#3d2325;--shadow:0 1px 2px rgb(0 0 0/40%),0 12px 40px rgb(0 0 0/30%)}}
        *,*::before,*::after{box-sizing:border-box}
        html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
        body{margin:0;padding:2.5rem 1rem;background:var(--ground);color:var(--text);
        font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue","Noto Sans",sans-serif}
        main{max-width:68rem;margin:0 auto;overflow-wrap:anywhere}
        header{margin:0 0 1.5rem}
        .kicker{margin:0;color:var(--quiet);font-size:.8125rem;font-weight:650;letter-spacing:.08em;text-transform:uppercase}
        h1{margin:.125rem 0 .25rem;font-size:2rem;line-height:1.2;font-weight:680;letter-spacing:-.018em}
        h2{margin:0 0 .75rem;font-size:1.125rem;line-height:1.3;font-weight:650}
        h3{margin:1.5rem 0 .5rem;font-size:.9375rem;font-weight:650}
        p{margin:.25rem 0}
        .lead,.note,.empty,figcaption,footer{color:var(--quiet)}
        .note,.empty,figcaption,footer{font-size:.9375rem}
        .note{margin:0 0 .75rem;max-width:46rem}
        section{margin:0 0 1.25rem;padding:1.5rem;background:var(--card);border:1px solid var(--line);border-radius:1rem;
        box-shadow:var(--shadow)}
        .verdict{box-shadow:none}
        .verdict h2{display:flex;gap:.625rem;align-items:center;margin:0}
        .verdict p,.verdict ul{margin:.5rem 0 0}
        .verdict ul{padding-left:1.25rem}
        .mark{flex:none;display:grid;place-items:center;width:1.625rem;height:1.625rem;border-radius:50%;font-size:1rem;line-height:1}
        .good{background:var(--good-soft);border-color:var(--good);color:var(--good)}
        .good .mark{background:var(--good);color:var(--good-soft)}
        .bad{background:var(--bad-soft);border-color:var(--bad);color:var(--bad)}
        .bad .mark{background:var(--bad);color:var(--bad-soft)}
        .tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.75rem;margin:0 0 1.25rem;padding:0;list-style:none}
        .tiles li{padding:1rem 1.25rem;background:var(--card);border:1px solid var(--line);border-radius:.875rem}
        .tiles span{display:flex;align-items:center;gap:.5rem;color:var(--quiet);font-size:.875rem}
        .tiles span::before{content:"";flex:none;width:.625rem;height:.625rem;border-radius:.1875rem;background:var(--tone,var(--quiet))}
        .tiles strong{display:block;font-size:1.75rem;line-height:1.25;font-weight:650;font-variant-numeric:tabular-nums}
        .answered{--tone:var(--answered)}.replayed{--tone:var(--replayed)}.refused{--tone:var(--refused)}.revoked{--tone:var(--revoked)}
        figure{margin:0}
        .legend{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;margin:0 0 1rem;padding:0;list-style:none;font-size:.875rem}
        .legend li{display:flex;align-items:center;gap:.5rem}
        .legend i{width:.75rem;height:.75rem;border-radius:.1875rem;background:var(--tone)}
        .plot{display:grid;grid-template:13.75rem auto/max-content 1fr;column-gap:.625rem}
        .scale,.axis{display:flex;justify-content:space-between;margin:0;padding:0;list-style:none;color:var(--quiet);
        font-size:.75rem;font-variant-numeric:tabular-nums;line-height:1}
        .scale{flex-direction:column;text-align:right;margin:-.375rem 0}
        .axis{grid-column:2;padding-top:.5rem;overflow-wrap:normal}
        svg{display:block;width:100%;height:100%;overflow:hidden}
        svg rect{fill:var(--tone)}
        svg .alarm{fill:var(--revoked);opacity:.14}
        .grid{fill:none;stroke:var(--line);stroke-width:1;vector-effect:non-scaling-stroke}
        figcaption{margin-top:.75rem}
        table{width:100%;border-collapse:collapse;font-size:.9375rem;font-variant-numeric:tabular-nums}
        th{min-width:5.25rem;white-space:nowrap;padding:.375rem 1rem .375rem 0;color:var(--quiet);font-size:.8125rem;font-weight:600;text-align:left;border-bottom:1px solid var(--line)}
        td{padding:.5rem 1rem .5rem 0;vertical-align:top;border-bottom:1px solid var(--line)}
        tr:last-child td{border-bottom:0}
        .facts{display:grid;grid-template-columns:max-content 1fr;gap:.375rem 1.25rem;margin:0;font-size:.9375rem}
        .facts dt{color:var(--quiet)}.facts dd{margin:0}
        pre{margin:0;padding:.875rem 1rem;background:var(--soft);border:1px solid var(--line);border-radius:.625rem;
        font:.8125rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;white-space:pre-wrap;overflow-wrap:anywhere}
        footer{padding:.5rem .25rem}
        :focus-visible{outline:3px solid var(--answered);outline-offset:2px}
        @media (max-width:40rem){
        body{padding:1.25rem .75rem}
        h1{font-size:1.625rem}
        section{padding:1.125rem}
        .tiles{grid-template-columns:repeat(2,minmax(0,1fr))}
        .tiles li{padding:.75rem .875rem}
        .tiles li:last-child:nth-child(odd){grid-column:1/-1}
        .tiles strong{font-size:1.375rem}
        .axis li:nth-child(2){display:none}
        table,tbody,tr,td{display:block}
        thead{display:none}
        tr{padding:.625rem 0;border-bottom:1px solid var(--line)}
        tr:last-child{border-bottom:0}
        td{display:grid;grid-template-columns:7.5rem minmax(0,1fr);gap:.75rem;padding:.125rem 0;border:0}
        td::before{content:attr(data-label);color:var(--quiet);font-size:.8125rem}
        .facts{grid-template-columns:1fr;gap:0}
        .facts dd{margin:0 0 .5rem}
        }
        @media print{
        :root{color-scheme:light;--ground:#fff;--card:#fff;--text:#000;--quiet:#444;--line:#bbb;--soft:#fff;--shadow:none}
        body{padding:0;font-size:10pt}
        main{max-width:none}
        section,.tiles li{break-inside:avoid;border-radius:0}
        section:has(table){break-inside:auto}
        tr{break-inside:avoid}
        svg rect,.legend i,.verdict,.mark,.tiles span::before{print-color-adjust:exact;-webkit-print-color-adjust:exact}
        }
        @media (forced-colors:active){svg rect,.legend i{forced-color-adjust:none}}
        """
}
