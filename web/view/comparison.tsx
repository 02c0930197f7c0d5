/** The tutorial's comparison, of gRPC with JSON over HTTP: facts of this server, and what the benchmark measured. */
import { benchmark } from "../benchmark.ts";
import type { Language } from "./language.ts";
import { useTexts } from "./speech.ts";

export function Comparison({ contract, language }: { contract: string; language: Language }) {
  const texts = useTexts();
  const number = (value: number) => value.toLocaleString(language);
  return (
    <>
      <p>{texts.costIntro}</p>
      <table class="comparison">
        <thead>
          <tr>
            <td />
            <th scope="col">gRPC</th>
            <th scope="col">HTTP + JSON</th>
          </tr>
        </thead>
        <tbody>
          {texts.comparison({ contract, benchmark, number }).map(([fact, grpc, json]) => (
            <tr key={fact}>
              <th scope="row">{fact}</th>
              <td>{grpc}</td>
              <td>{json}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <Chart />
    </>
  );
}

function Chart() {
  const texts = useTexts();
  const { bars, chart } = benchmark;
  const times = bars.map(({ cpuMicroseconds }) => cpuMicroseconds);
  const start = 10 ** Math.floor(Math.log10(Math.min(...times)) - 0.01);
  const scale = (microseconds: number) => Math.log(microseconds / start) / Math.log(Math.max(...times) / start);
  return (
    <figure class="chart">
      <figcaption>
        <h3>{texts.chartHeading}</h3>
        <p class="note">{texts.chartUnit}</p>
      </figcaption>
      <ol>
        {bars.map(({ server, wire, isOwn, cpuMicroseconds }) => (
          <li key={server + wire} class={isOwn ? "own" : undefined}>
            <span class="server">
              {isOwn ? texts.own : server} <span class="note">{wire}</span>
            </span>
            <span class="bar" aria-hidden="true">
              <span style={{ width: `${100 * scale(cpuMicroseconds)}%` }} />
            </span>
            <span class="count">{cpuMicroseconds.toPrecision(3)}</span>
          </li>
        ))}
      </ol>
      <p class="note">{texts.chartNote(benchmark)}</p>
      <details>
        <summary>{texts.wholeChart}</summary>
        <a href={chart}>
          <img src={chart} alt={texts.chartHeading} loading="lazy" />
        </a>
      </details>
    </figure>
  );
}
