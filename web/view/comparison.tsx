/** Shows the tutorial's comparison of gRPC with JSON over HTTP, for this server and with figures of the benchmark. */
import type { Benchmark } from "../benchmark.ts";
import { type Language, useTexts } from "./language.ts";

interface Props {
  readonly contract: string;
  readonly benchmark: Benchmark;
  readonly language: Language;
}

export function Comparison({ contract, benchmark, language }: Props) {
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
      <Chart benchmark={benchmark} />
    </>
  );
}

function Chart({ benchmark }: { benchmark: Benchmark }) {
  const texts = useTexts();
  const { rows, ticks, chart } = benchmark;
  const [start = 1, end = 10] = [ticks[0], ticks.at(-1)];
  const at = (us: number) => ({ left: `${(100 * Math.log(us / start)) / Math.log(end / start)}%` });
  return (
    <figure class="chart">
      <figcaption>
        <h3>{texts.chartHeading}</h3>
        <p class="note">{texts.chartUnit}</p>
      </figcaption>
      <p class="row axis" aria-hidden="true">
        <span class="track">
          {ticks.map((us) => (
            <span key={us} class="tick" style={at(us)}>
              {us}
            </span>
          ))}
        </span>
      </p>
      <ol>
        {rows.map(({ server, version, protocol, heads, connections, streams, isOwn, cpuMicroseconds }) => (
          <li key={server + protocol + heads} class={isOwn ? "row own" : "row"}>
            <span class="server">
              {isOwn ? texts.own : `${server} ${version}`}{" "}
              <span class="note">
                {protocol}, {texts.heads[heads]}, {connections} × {streams}
              </span>
            </span>
            <span class="track" aria-hidden="true">
              <span class="dot" style={at(cpuMicroseconds)} />
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
