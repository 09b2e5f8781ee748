/** Returns the `q` quantile of values, with `q` from 0 to 1. */
export function quantile(values: readonly number[], q: number): number {
  return [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(q * values.length))] ?? Number.NaN;
}

/** Returns a function that prints figures of a benchmark as JSON lines with two decimals. */
export function printer(bench: string): (figure: string, value: number, unit: string, more?: object) => void {
  return (figure, value, unit, more = {}) =>
    console.log(JSON.stringify({ bench, figure, value: Number(value.toFixed(2)), unit, ...more }));
}
