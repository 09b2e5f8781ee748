/** The value below which the share `q` of them lies. */
export function quantile(values: readonly number[], q: number): number {
  return [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(q * values.length))] ?? Number.NaN;
}

/** Prints the figures of a bench as JSON lines. Two decimals. */
export function printer(bench: string): (figure: string, value: number, unit: string, more?: object) => void {
  return (figure, value, unit, more = {}) =>
    console.log(JSON.stringify({ bench, figure, value: Number(value.toFixed(2)), unit, ...more }));
}
