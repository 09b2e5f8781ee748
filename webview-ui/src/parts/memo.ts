import { Component, type ComponentType, createElement } from 'preact';

/** Wraps a component so that it renders again only if a prop has a different value. */
export function memo<P extends object>(inner: ComponentType<P>): ComponentType<P> {
  return class extends Component<P> {
    override shouldComponentUpdate(next: Readonly<P>): boolean {
      const before: Readonly<Record<string, unknown>> = { ...this.props };
      const after: Readonly<Record<string, unknown>> = { ...next };
      return Object.keys({ ...before, ...after }).some((key) => before[key] !== after[key]);
    }

    override render() {
      return createElement(inner, this.props);
    }
  };
}
